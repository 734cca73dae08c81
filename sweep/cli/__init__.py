"""The command line: words, help, exit codes. Nothing here is slow to import."""
