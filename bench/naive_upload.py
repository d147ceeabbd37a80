"""The other side of `bench.upload`: a route as tutorials have it, which reads the whole file into memory."""

from __future__ import annotations

import sys
from uuid import uuid4

import obstore
import uvicorn
from fastapi import FastAPI, UploadFile

from mindtrack_shared.settings import StorageSettings
from mindtrack_shared.storage.recordings import open_backend

app = FastAPI()
store = open_backend(StorageSettings())


@app.get("/readyz")
async def ready() -> None:
    """Answer."""


@app.post("/v1/jobs", status_code=202)
async def upload(file: UploadFile) -> None:
    content = await file.read()
    await obstore.put_async(store, f"recordings/{uuid4()}", content)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
