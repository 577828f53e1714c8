"""The simulated world: physics, touch, cameras."""
