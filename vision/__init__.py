"""Image encoders and what they need."""
