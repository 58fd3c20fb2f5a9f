"""Updates: fetched, installed by RAUC, recorded."""
