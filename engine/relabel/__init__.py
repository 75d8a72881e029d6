"""`tm relabel`: an age with its spread for every face, by a mixture of experts."""
