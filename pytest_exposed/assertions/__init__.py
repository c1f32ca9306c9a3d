"""What a suite asserts: checks of an engine, each with a result that explains itself."""
