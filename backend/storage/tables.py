"""The tables. Times are seconds since the epoch; arrays are float32, little-endian, in bytes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Metadata of all tables."""


class RunRow(Base):
    """A job, from its submission to its end."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    parent: Mapped[str | None] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(String(120))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16), index=True)
    owner: Mapped[str | None] = mapped_column(String(200))
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[float | None] = mapped_column(Float)
    queued_at: Mapped[float] = mapped_column(Float)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    step: Mapped[int] = mapped_column(Integer, default=0)
    total_steps: Mapped[int] = mapped_column(Integer)
    rate: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[float] = mapped_column(Float, index=True)
    started_at: Mapped[float | None] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str | None] = mapped_column(Text)
    device: Mapped[str | None] = mapped_column(String(80))
    versions: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    provenance: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    notes: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    memory: Mapped[dict[str, int] | None] = mapped_column(JSON(none_as_null=True))


class LayerRow(Base):
    """A recorded weight matrix of a run, m >= n."""

    __tablename__ = "layers"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    m: Mapped[int] = mapped_column(Integer)
    n: Mapped[int] = mapped_column(Integer)
    entry_variance: Mapped[float] = mapped_column(Float)


class SpectrumRow(Base):
    """All singular values of a layer at a step."""

    __tablename__ = "spectra"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    layer: Mapped[str] = mapped_column(String(200), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    singular_values: Mapped[bytes] = mapped_column(LargeBinary)
    method: Mapped[str] = mapped_column(String(16))
    error_bound: Mapped[float] = mapped_column(Float)


class TrajectoryRow(Base):
    """A predictor's top-k singular values of a layer at a step."""

    __tablename__ = "trajectories"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    layer: Mapped[str] = mapped_column(String(200), primary_key=True)
    predictor: Mapped[str] = mapped_column(String(32), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    singular_values: Mapped[bytes] = mapped_column(LargeBinary)


class LawFitRow(Base):
    """The laws over a layer's spectrum at a step; columns as in sigmascope.theory.law_fit.LawFit."""

    __tablename__ = "law_fits"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    layer: Mapped[str] = mapped_column(String(200), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    entry_variance: Mapped[float] = mapped_column(Float)
    mp_upper: Mapped[float] = mapped_column(Float)
    tw_center: Mapped[float] = mapped_column(Float)
    tw_scale: Mapped[float] = mapped_column(Float)
    edge: Mapped[float] = mapped_column(Float)
    p_value: Mapped[float] = mapped_column(Float)
    outliers: Mapped[int] = mapped_column(Integer)
    ks: Mapped[float] = mapped_column(Float)
    printed_shape: Mapped[float] = mapped_column(Float)
    printed_rate: Mapped[float | None] = mapped_column(Float)
    gamma_shape: Mapped[float | None] = mapped_column(Float)
    gamma_rate: Mapped[float | None] = mapped_column(Float)
    gamma_log_norm: Mapped[float | None] = mapped_column(Float)


class NoiseRow(Base):
    """Gradient noise of a layer at a step; columns as in sigmascope.records.GradientNoise."""

    __tablename__ = "noise_terms"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    layer: Mapped[str] = mapped_column(String(200), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    gradient_norm: Mapped[float] = mapped_column(Float)
    beta1: Mapped[float] = mapped_column(Float)
    diffusion: Mapped[float] = mapped_column(Float)


class ModeUpdateRow(Base):
    """What a batch does along a layer's top modes; columns as in sigmascope.records.ModeUpdate, float32."""

    __tablename__ = "mode_updates"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    layer: Mapped[str] = mapped_column(String(200), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    projected: Mapped[bytes] = mapped_column(LargeBinary)
    noise_variance: Mapped[bytes | None] = mapped_column(LargeBinary)
    turned: Mapped[bytes | None] = mapped_column(LargeBinary)


class ForecastRow(Base):
    """A forecaster's score on a layer, sigmascope.schemas.ForecastScore in JSON; ``step`` counts from 1."""

    __tablename__ = "forecast_scores"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    result: Mapped[dict[str, Any]] = mapped_column(JSON)


class MetricsRow(Base):
    """Training metrics of a run at a step; null where not measured."""

    __tablename__ = "step_metrics"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    loss: Mapped[float | None] = mapped_column(Float)
    accuracy: Mapped[float | None] = mapped_column(Float)
    test_loss: Mapped[float | None] = mapped_column(Float)
    test_accuracy: Mapped[float | None] = mapped_column(Float)
    learning_rate: Mapped[float | None] = mapped_column(Float)
    seconds: Mapped[float | None] = mapped_column(Float)


class SnapshotRow(Base):
    """The singular values of a simulated ensemble at a step: float32, paths x n, each path descending."""

    __tablename__ = "snapshots"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    time: Mapped[float] = mapped_column(Float)
    singular_values: Mapped[bytes] = mapped_column(LargeBinary)


class ClaimRow(Base):
    """A checked claim, as sigmascope.schemas.CheckedClaim in JSON; ``step`` counts from 1."""

    __tablename__ = "checked_claims"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    claim_id: Mapped[str] = mapped_column(String(80))
    result: Mapped[dict[str, Any]] = mapped_column(JSON)
