"""Who somebody is, by an issuer of OpenID Connect that the operator trusts, and what its groups may do here."""
