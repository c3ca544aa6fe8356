"""`GET /operations/projections`: the generations and how far a rebuild is, for dashboards and scripts. The endpoint only reads."""

from typing import Annotated, Any

import psycopg
from fastapi import APIRouter
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from pydantic import BaseModel, Field

from event_schemas.codes import Code
from infra.http.problems import Problem, problem_responses
from projections.rebuild.progress import KeptProgress
from projections.rebuild.status import GenerationStatus, Status, read_status

_ANSWER_S = 2.0


class RebuildView(BaseModel):
    """How far a rebuild is. `rate`: records a second; `eta_seconds`: null when unknown."""

    phase: Annotated[str, Field(description="folding, indexing, catching up, done, stopped or interrupted")]
    records: int
    total: int
    percent: float
    rate: float
    eta_seconds: float | None
    problem: str | None


class GenerationView(BaseModel):
    """One generation. `records`: of the log, applied; `parked`: records that wait."""

    schema_name: Annotated[str, Field(serialization_alias="schema")]
    state: str
    fold_version: int
    records: int
    parked: int
    rebuild: RebuildView | None


class ProjectionsView(BaseModel):
    """The generations, oldest first, and which of them readers read."""

    live: str | None
    generations: list[GenerationView]


def create_operations_router(pool: AsyncConnectionPool[AsyncConnection[Any]]) -> APIRouter:
    """The route, reading through a pool that its owner opens and closes. The application around it renders infra.http.problems.Problem."""
    router = APIRouter(tags=["operations"])

    @router.get("/operations/projections", responses=problem_responses([Code.READ_MODEL_UNAVAILABLE]))
    async def get_projections() -> ProjectionsView:
        """The generations of the read models, and how far a rebuild is."""
        try:
            async with pool.connection(timeout=_ANSWER_S) as connection, connection.transaction():
                return _view(await read_status(connection))
        except (PoolTimeout, TooManyRequests, psycopg.OperationalError):
            raise Problem(Code.READ_MODEL_UNAVAILABLE, "PostgreSQL does not answer: try again", headers={"Retry-After": "2"}) from None

    return router


def _view(status: Status) -> ProjectionsView:
    rebuilds = {rebuild.schema: rebuild for rebuild in status.rebuilds}
    generations = [_generation(one, rebuilds.get(one.generation.schema)) for one in status.generations]
    return ProjectionsView(live=status.live, generations=generations)


def _generation(status: GenerationStatus, rebuild: KeptProgress | None) -> GenerationView:
    generation = status.generation
    return GenerationView(
        schema_name=generation.schema,
        state=generation.state,
        fold_version=generation.fold_version,
        records=status.records,
        parked=len(status.parked),
        rebuild=_rebuild(status, rebuild) if rebuild else None,
    )


def _rebuild(status: GenerationStatus, rebuild: KeptProgress) -> RebuildView:
    targets = dict(enumerate(rebuild.targets))
    records = sum(min(offset, targets.get(partition, 0)) for partition, offset in status.next_offsets.items())
    total = sum(targets.values())
    return RebuildView(
        phase="interrupted" if rebuild.interrupted else rebuild.phase,
        records=records,
        total=total,
        percent=round(100 * records / total, 2) if total else 100.0,
        rate=round(rebuild.rate, 1),
        eta_seconds=None if rebuild.eta_s is None else round(rebuild.eta_s, 1),
        problem=rebuild.problem,
    )
