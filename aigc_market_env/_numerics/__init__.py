"""How numerical functions are compiled, kept on disk and spread over cores (private)."""
