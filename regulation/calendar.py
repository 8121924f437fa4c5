"""Days and instants of the district: China has kept UTC+8 without daylight saving since 1991."""

from datetime import date, datetime, time, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")


def day(instant: datetime) -> date:
    """Tell the day an aware instant falls on in the district."""
    return instant.astimezone(CHINA).date()


def midnight(on: date) -> datetime:
    """Give the instant at which the day `on` begins in the district."""
    return datetime.combine(on, time.min, CHINA)


def anniversary(start: date, years: int) -> date:
    """Find the day on which `years` full years from `start` are reached; 29 February counts from 28 February."""
    leap_day = (start.month, start.day) == (2, 29)
    return start.replace(year=start.year + years, day=28 if leap_day else start.day)
