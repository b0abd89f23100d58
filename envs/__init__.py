"""Language-conditioned manipulation tasks on MuJoCo, as gymnasium environments."""
