"""Real telemetry in: each source becomes rows of the contract's tables, and what cannot is quarantined.

Knows how players, CDNs, servers and bills write things down. Must not know what is computed from them, nor
keep anything that tells who a viewer is: ids are hashed and addresses cut before a row leaves this package.
"""
