"""What people look at after an evaluation: tables, figures and videos."""
