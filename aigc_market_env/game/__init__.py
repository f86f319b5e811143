"""Who plays what: best responses and regrets of providers and of mobile users."""
