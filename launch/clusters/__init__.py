"""The engines that `launch --cluster` knows by name: what a site has to start processes with."""
