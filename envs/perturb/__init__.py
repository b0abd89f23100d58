"""The perturbation axes: one module each, holding an `Axis` subclass of the same name in CamelCase."""
