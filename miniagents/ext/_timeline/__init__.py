"""What a picture of runs is made of; users have :class:`miniagents.ext.timeline.Timeline`."""
