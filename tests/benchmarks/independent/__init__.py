"""Our policies on a task and an expert that we did not write, in an environment of their own."""
