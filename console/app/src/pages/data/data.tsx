import { Page } from '../../components/page';

export default function DataPage() {
  return <Page title="Data">…</Page>;
}
