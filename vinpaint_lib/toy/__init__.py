"""Clips made from photographs, whose true motion is known exactly."""

from vinpaint_lib.toy.clip import PHOTOS, Material, Shot, ToyClip, photograph, toy_clip, toy_scene

__all__ = ["PHOTOS", "Material", "Shot", "ToyClip", "photograph", "toy_clip", "toy_scene"]
