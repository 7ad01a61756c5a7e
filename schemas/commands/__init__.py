"""Commands of people, and answers to tasks."""
