"""The 3-D view: MuJoCo drawn on a thread of its own, the AR layer over it, driving by mouse."""
