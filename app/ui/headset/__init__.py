"""The page of the headset: guided set-up, live picture, what is sent and what is posted."""
