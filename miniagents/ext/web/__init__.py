"""Answers over HTTP."""

from ._frame_log import FrameLog, FrameLogError
from ._memory_frames import MemoryFrames
from ._redis_frames import RedisFrames
from ._sqlite_frames import SQLiteFrames
