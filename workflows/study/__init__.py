"""The study: enrolment, holds, delegations."""
