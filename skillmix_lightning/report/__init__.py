"""What a person reads: terminal tables and progress."""
