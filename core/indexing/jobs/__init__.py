"""Who syncs what and when. Timer, push, commands and the command line make the same request; any number of processes
work them off. The truth is in Redis: a request stays recorded until a worker has finished it; those that ask for
the same are one.
"""

from core.indexing.jobs.claim import Claim, ClaimLost
from core.indexing.jobs.queue import Jobs, Submitted
from core.indexing.jobs.schedule import Schedule
from core.indexing.jobs.worker import Worker

__all__ = ["Claim", "ClaimLost", "Jobs", "Schedule", "Submitted", "Worker"]
