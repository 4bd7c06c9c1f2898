"""What docker-compose.yaml runs beside the product: keys, databases, logins, and checks whether a service is well."""
