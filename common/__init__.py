"""What every package needs: whole files with checksums, and what a file may have imported. No torch."""
