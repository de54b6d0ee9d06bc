"""What the renderings have in common."""

import csv, datetime as dt, hashlib, io, json, re

SF = re.compile(r"\b(?:003|005|500|a0X|04g|04h|017|00D|0H4)[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?\b")
FIELDS = {
    "POST_CODE1": "ZipCode",
    "STR_SUPPL1": "AddressLine2",
    "STREET": "AddressLine1",
    "CITY1": "City",
    "COUNTRY": "Country",
    "REGION": "State",
    "MATNR": "InventoryItem",
    "ZZPAYMETH": "PaymentMethod",
    "ABGRU": "CancelReason",
    "ZZTRACE": "CorrelationId",
}
TABLES = {"sf_CaseHistory.csv": "incident", "sf_ContactHistory.csv": "customer_contact"}


def sys_id(match):
    return hashlib.md5(match.group(0)[:15].encode()).hexdigest()


def renamed(text):
    text = SF.sub(sys_id, text)
    text = text.replace("/services/data/v60.0/sobjects/ServiceRequest__c", "/api/now/table/u_service_request")
    text = text.replace("/services/data/v60.0/sobjects/", "/api/now/table/")
    text = text.replace("/services/data/v60.0/query", "/api/now/search")
    text = re.sub(
        r"/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder\('(\w+)'\)",
        r"/fscmRestApi/resources/11.13.18.05/salesOrdersForOrderHub/\1",
        text,
    )
    return text.replace("sap-odata-sd", "fusion-orders")


def iso(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def zulu(time):
    return time.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def blank(text):
    return iso(text).strftime("%Y-%m-%d %H:%M:%S")


BERLIN = dt.timezone(dt.timedelta(hours=1))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Heads:
    """Times and users of SAP change documents, whose rows have neither."""

    def __init__(self):
        self.known = {}

    def of(self, r):
        if "UDATE" in r:
            at = dt.datetime.strptime(r["UDATE"] + r["UTIME"], "%Y%m%d%H%M%S").replace(tzinfo=BERLIN)
            self.known.setdefault(r["CHANGENR"], (at.astimezone(dt.timezone.utc), r["USERNAME"]))
        return self.known.get(r["CHANGENR"], (None, ""))


def statement_of(change):
    """A change of one field as SQL, and what tells the save that it is of."""
    table, key = change["tablename"], quoted(change["documentkey"])
    if change["fieldname"] == "INSERTED":
        statement = f"INSERT INTO itsm.{table} (id) VALUES ({key})"
    else:
        statement = f"UPDATE itsm.{table} SET {change['fieldname']} = {quoted(change['newvalue'])} WHERE id = {key}"
    save = change["documentkey"] + change["sys_created_on"] + change["user"]
    return statement, hashlib.md5(save.encode()).hexdigest()
