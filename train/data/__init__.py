"""LeRobotDataset v3.0 on disk, the frame cache, and training windows."""
