"""The page: its content as plain values, its template, and the slice viewer."""
