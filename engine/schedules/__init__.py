"""Numbers that change with the training step, each a pure function of it."""

from engine.schedules.base import SCHEDULES, Schedule, ScheduleValue, parse_schedule

__all__ = ["SCHEDULES", "Schedule", "ScheduleValue", "parse_schedule"]
