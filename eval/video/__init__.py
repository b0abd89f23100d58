"""Pictures of episodes: replayed, annotated, encoded."""
