"""Which rows make a step, and which of a row's texts: functions of seed, epoch and row alone."""
