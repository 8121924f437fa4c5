"""What every table here stands on."""

from sqlalchemy.orm import DeclarativeBase

from kernel.database import COLUMN_TYPES, service_metadata


class Base(DeclarativeBase):
    """The workflow's tables, beside the kernel's."""

    metadata = service_metadata()
    type_annotation_map = COLUMN_TYPES
