"""The quarterly report as HTML, PDF and XLSX from one :class:`~cost_model.quarterly.Quarterly`: same input, same bytes.

Knows how figures are shown; computes none of them. No network: the page carries Plotly, and every figure that Plotly
draws is there as SVG too, for print and for readers without scripts.

``page`` renders HTML, ``pdf`` the printed report and ``workbook`` the spreadsheet; ``tables`` and ``figures`` are what
they share, ``numbers`` how a figure is written. Each is imported where it is used.
"""
