"""Networks as ONNX files: their parts, written and read; what joins parts stays ours."""
