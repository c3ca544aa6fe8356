"""What operators do with the read models: look, rebuild, promote, go back, drop, verify, and settle what is parked.

The command line imports this door alone; the work is done in `rebuild`, `verification` and `store`.
"""

from projections.rebuild.choice import OperationRefused, drop_generation
from projections.rebuild.comparison import TableComparison
from projections.rebuild.progress import RebuildProgress
from projections.rebuild.promotion import Different, Promoter, Promotion
from projections.rebuild.rebuild import Rebuild, RebuildOptions
from projections.rebuild.status import GenerationStatus, Status, lag_of, read_status
from projections.rebuild.workers import RebuildStopped
from projections.rebuild.writer import NewerRecord, Overtaken, Poison
from projections.store.advisory_locks import Busy
from projections.store.parked import Parked, ParkedState, find_parked
from projections.verification.drift import Drift, Findings
from projections.verification.parked_retry import Unparked, discard, retry
from projections.verification.verify import VerifyOptions, verify

__all__ = [
    "Busy",
    "Different",
    "Drift",
    "Findings",
    "GenerationStatus",
    "NewerRecord",
    "OperationRefused",
    "Overtaken",
    "Parked",
    "ParkedState",
    "Poison",
    "Promoter",
    "Promotion",
    "Rebuild",
    "RebuildOptions",
    "RebuildProgress",
    "RebuildStopped",
    "Status",
    "TableComparison",
    "Unparked",
    "VerifyOptions",
    "discard",
    "drop_generation",
    "find_parked",
    "lag_of",
    "read_status",
    "retry",
    "verify",
]
