"""What an auditor takes along: one file that checks a ledger's export, receipts and tiles without this program."""
