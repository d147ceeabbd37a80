"""An OpenID provider for one machine. Our page signs in here as anywhere; nobody proves who they are."""

#: Under which the page is known here. It has no secret: PKCE does what one would.
CLIENT_ID = "mindtrack-page"
DISCOVERY = "/.well-known/openid-configuration"
