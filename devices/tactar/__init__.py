"""TactAR: the headset's wire, frames, hands and set-up (docs/tactar.md)."""
