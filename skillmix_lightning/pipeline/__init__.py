"""Evaluation and synthesis, which are one pipeline: combinations → student → grader → records → scores."""
