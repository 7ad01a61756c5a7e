"""The safety review committee's packet."""
