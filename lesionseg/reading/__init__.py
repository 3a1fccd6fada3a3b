"""From a scan's files to arrays on one grid: channels, mask values, lesion ids, raters."""
