"""The program: processes, what screens need to know, the window, the command line."""
