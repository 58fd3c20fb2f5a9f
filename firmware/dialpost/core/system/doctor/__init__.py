"""What `dialpost doctor` concludes."""
