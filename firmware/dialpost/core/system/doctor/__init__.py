"""The findings of `dialpost doctor`."""
