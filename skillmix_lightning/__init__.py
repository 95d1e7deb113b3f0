"""Fine-tune causal language models on texts that combine k skills, and measure how they compose unseen ones."""

__version__ = "0.1.0"
