"""What `bench.patients` compares the gateway with, served as the gateway is: one uvicorn process, FastAPI."""

import os
from uuid import UUID

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

#: The rows of the gateway's first page, by somebody who trusts whoever asks: nothing is decided, masked by
#: scopes, or written down.
ROWS = """
select standings.user_id, patient_labels.label, status, direction, seven_day_z, as_of, last_recorded_at,
    recent,
    alerts.count as alerts, alerts.oldest as oldest_alert, grants.id as grant_id, scopes, expires_at
from grants
join standings on standings.user_id = grants.user_id
left join patient_labels on patient_labels.user_id = grants.user_id
    and patient_labels.clinician_id = grants.clinician_id
left join lateral (
    select count(*) as count, min(opened_at) as oldest
    from alerts where alerts.user_id = grants.user_id and ended_at is null
) alerts on true
where grants.clinician_id = :clinician and revoked_at is null and expires_at > now()
order by array_position(
    array['below', 'within_range', 'calibrating', 'no_status', 'above', 'well_above'], status
) desc, grants.id desc
limit 1001
"""


def bare() -> FastAPI:
    url = os.environ["MINDTRACK_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_async_engine(url, pool_size=10, connect_args={"options": "-c timezone=UTC"})
    clinician = UUID(os.environ["BENCH_CLINICIAN"])
    app = FastAPI()

    @app.get("/v1/patients")
    async def get() -> JSONResponse:
        async with engine.connect() as connection:
            rows = await connection.execute(text(ROWS), {"clinician": clinician})
            items = [
                {
                    "user_id": str(row.user_id),
                    "label": row.label,
                    "status": row.status,
                    "direction": row.direction,
                    "seven_day_z": row.seven_day_z,
                    "as_of": row.as_of.isoformat(),
                    "recent": row.recent,
                    "last_recorded_at": row.last_recorded_at.isoformat(),
                    "alerts": {
                        "count": row.alerts,
                        "oldest_since": row.oldest_alert.isoformat() if row.oldest_alert else None,
                    },
                    "grant_id": str(row.grant_id),
                    "scopes": row.scopes,
                    "expires_at": row.expires_at.isoformat(),
                }
                for row in rows
            ]
        return JSONResponse({"items": items[:1000]})

    return app
