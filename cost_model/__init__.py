"""Rates, charges, break-even, reports: what usage costs, and which decision would change it.

Knows prices and identities; reads usage as frames and returns frames, figures or a page. Must not know the
lake, the emulator or the alerts: whoever composes them is above.

::

    rates.load -> usage.Usage -> bill -> charges.charges -> margin.unit_costs
                                      -> cdn.breakeven, encoding.payback, switches.margin_effects
                                      -> statement.state -> quarterly.quarterly -> report: page, pdf, workbook
"""
