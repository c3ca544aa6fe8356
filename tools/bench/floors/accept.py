"""The floor of `accept`: the same body validated into the same model by FastAPI as its manual teaches, and nothing else."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import uvicorn
import uvloop
from fastapi import FastAPI

from command_api.requests import CreateOrderRequest
from infra.process.settings import Settings


def create_floor() -> FastAPI:
    """One route."""
    app = FastAPI()

    @app.post("/orders", status_code=202)
    async def create_order(order: CreateOrderRequest) -> dict[str, Any]:
        return {"command_id": uuid4(), "order_id": uuid4(), "status": "pending", "at": order.ordered_at or datetime.now(UTC)}

    return app


def main() -> None:
    """Serve until ended, with the gateway's own settings of uvicorn."""
    settings = Settings()
    config = uvicorn.Config(
        create_floor(),
        host=settings.bind,
        port=settings.http_port,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
    )
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
