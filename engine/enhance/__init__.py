"""Old photos to training quality, under a guard on who and how old they show."""
