"""A participant, from consent to end of study: one module for each part of the schedule of activities."""
