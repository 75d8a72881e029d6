"""Which age a training asks for: pure functions of the draws and the step."""
